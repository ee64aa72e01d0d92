"""Serves the components to Pulumi programs in any language: Pulumi's language host runs this folder as a plugin."""

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Load this folder as a package, wherever it was downloaded to, and serve it."""
    folder = Path(__file__).parent
    spec = importlib.util.spec_from_file_location(
        "snu_components", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{spec.name}.provider").serve(sys.argv[1:])


if __name__ == "__main__":
    main()
