"""``snu graph``: a stack's resources and their dependencies."""

from __future__ import annotations

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.graph import Graph, dot_text, graph_of_program, graph_of_state, svg_text
from ops.graph_format import GraphFormat
from ops.program.evaluate import evaluate
from ops.report.document import document_text
from ops.report.files import write_text
from ops.session import Session
from ops.state.checkpoint import latest_in


def graph(session: Session, output_format: GraphFormat, out: str) -> ExitCode:
    """Write the graph of the state or, without one, of the program to ``out`` (``-`` for standard output)."""
    stack = session.stack.name
    session.warn_overwritten()
    source, found = "state", graph_of_state(latest_in(session.observed.stored))
    if not found.nodes:
        source, found = "program", _of_program(session)
    write_text(_text(found, output_format, stack, source), out)
    return ExitCode.OK


def _of_program(session: Session) -> Graph:
    evaluated = evaluate(session.stack.project_dir)[session.stack.name]
    if evaluated.refused is not None:
        raise OpsError(
            f"{session.stack.name} has no state, and its program failed: {evaluated.refused}", ExitCode.SETTINGS
        )
    return graph_of_program(evaluated)


def _text(graph: Graph, output_format: GraphFormat, stack: str, source: str) -> str:
    if output_format is GraphFormat.JSON:
        content = {"stack": stack, "source": source, "resources": graph.nodes, "dependencies": graph.edges}
        return document_text("graph", content)
    dot = dot_text(graph, stack if source == "state" else f"{stack} (program, no state yet)")
    return svg_text(dot) if output_format is GraphFormat.SVG else dot
