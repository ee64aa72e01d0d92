"""Sets up an organization: the checks of ``snu doctor`` as steps, with the actions that fix the problems found."""
