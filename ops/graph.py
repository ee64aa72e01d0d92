"""A stack's resources and their dependencies, as a graph in DOT, Graphviz's language."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.program.evaluate import Evaluated
from pulumi_state.urn import ROOT_STACK_TYPE, is_provider_type, name_of, type_of

_DOT_SECONDS = 60.0


@dataclass(frozen=True)
class Node:
    """A resource or a component."""

    id: str
    """Unique in the graph: the type's last part and the name, such as ``Container/api-container``."""
    name: str
    type: str
    component: str
    """Id of the component that contains it; empty at the top level."""
    is_component: bool


@dataclass(frozen=True)
class Edge:
    """A dependency."""

    dependent: str
    """Id of the node that depends on the other one."""
    dependency: str


@dataclass(frozen=True)
class Graph:
    """Nodes sorted by id, and edges sorted by both ends."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]


@dataclass(frozen=True)
class _Resource:
    urn: str
    parent: str
    custom: bool
    dependencies: frozenset[str]


def graph_of_state(latest: Mapping[str, Any]) -> Graph:
    """The graph of a deployment in a state."""
    return _graph(
        _Resource(each["urn"], str(each.get("parent") or ""), bool(each.get("custom")), frozenset(_references(each)))
        for each in latest.get("resources") or []
        if not each.get("delete")
    )


def graph_of_program(evaluated: Evaluated) -> Graph:
    """The graph of the resources that a program registers."""
    return _graph(
        _Resource(each.urn, each.parent, each.custom, frozenset(each.dependencies)) for each in evaluated.resources
    )


def _references(resource: Mapping[str, Any]) -> Iterator[str]:
    yield from resource.get("dependencies") or ()
    for urns in (resource.get("propertyDependencies") or {}).values():
        yield from urns or ()


def _graph(resources: Iterable[_Resource]) -> Graph:
    """Leaves out providers and the stack itself."""
    kept = {
        each.urn: each
        for each in resources
        if type_of(each.urn) != ROOT_STACK_TYPE and not is_provider_type(type_of(each.urn))
    }
    ids = _ids(kept)
    nodes = [
        Node(ids[urn], name_of(urn), type_of(urn), ids.get(each.parent, ""), not each.custom)
        for urn, each in kept.items()
    ]
    edges = {
        Edge(ids[urn], ids[dependency])
        for urn, each in kept.items()
        for dependency in each.dependencies & kept.keys() - {each.parent}
    }
    return Graph(
        sorted(nodes, key=lambda node: node.id), sorted(edges, key=lambda edge: (edge.dependent, edge.dependency))
    )


def _ids(urns: Iterable[str]) -> dict[str, str]:
    """A short, unique id for each URN. Duplicates get a number."""
    ids: dict[str, str] = {}
    used = set[str]()
    for urn in sorted(urns):
        base = candidate = f"{short_type(type_of(urn))}/{name_of(urn)}"
        number = 1
        while candidate in used:
            number += 1
            candidate = f"{base} ({number})"
        used.add(candidate)
        ids[urn] = candidate
    return ids


def short_type(type_: str) -> str:
    """The last part of a type: ``Container`` for ``scaleway:containers/container:Container``."""
    return type_.rpartition(":")[2]


# --- DOT --------------------------------------------------------------------------------------------------


def dot_text(graph: Graph, title: str) -> str:
    """The graph in DOT: a cluster for each component, and an arrow from each resource to each of its dependencies."""
    graph = Graph(graph.nodes, _drawn(graph))
    lines = [
        f"digraph {_quoted(title)} {{",
        f"  label={_quoted(title)}; labelloc=t; rankdir=LR; compound=true;",
        '  graph [fontname="sans-serif"]; edge [color="#888888"];',
        '  node [fontname="sans-serif", fontsize=11, shape=box, style="rounded,filled", fillcolor="#eef3fb"];',
        *_members(graph, "", "  "),
        *(f"  {_quoted(edge.dependent)} -> {_quoted(edge.dependency)};" for edge in graph.edges),
        "}",
    ]
    return "\n".join(lines)


def _drawn(graph: Graph) -> list[Edge]:
    """The edges, except those of a component that one of its members also has."""
    of_members = {
        (node.component, edge.dependency) for node in graph.nodes for edge in graph.edges if edge.dependent == node.id
    }
    return [edge for edge in graph.edges if (edge.dependent, edge.dependency) not in of_members]


def _members(graph: Graph, component: str, indent: str) -> Iterator[str]:
    for node in graph.nodes:
        if node.component != component:
            continue
        if not node.is_component:
            yield f"{indent}{_quoted(node.id)} [label={_label(node)}];"
            continue
        yield f"{indent}subgraph {_quoted(f'cluster {node.id}')} {{"
        yield f"{indent}  label={_label(node)}; style=rounded;"
        members = list(_members(graph, node.id, indent + "  "))
        has_arrows = any(node.id in (edge.dependent, edge.dependency) for edge in graph.edges)
        if has_arrows or not members:  # arrows need a node, and a cluster without nodes is not drawn
            yield f'{indent}  {_quoted(node.id)} [label="", shape=point];'
        yield from members
        yield f"{indent}}}"


def _label(node: Node) -> str:
    return _quoted(f"{node.name}\n{short_type(node.type)}")


def _quoted(text: str) -> str:
    """A quoted DOT string: https://graphviz.org/doc/info/lang.html."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def svg_text(dot: str) -> str:
    """Render a graph with Graphviz's ``dot``. Raises OpsError if it is missing or fails."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=dot, capture_output=True, encoding="utf-8", timeout=_DOT_SECONDS, check=True
        )
    except FileNotFoundError:
        raise OpsError(
            "An SVG needs Graphviz, but `dot` is not on PATH. Install it (https://graphviz.org/download/), or use "
            "--format dot, which any Graphviz viewer opens.",
            ExitCode.USAGE,
        ) from None
    except subprocess.TimeoutExpired:
        raise OpsError(f"`dot` did not finish within {_DOT_SECONDS:g} seconds.", ExitCode.FAILED) from None
    except subprocess.CalledProcessError as error:
        raise OpsError(f"`dot` failed: {error.stderr.strip()}", ExitCode.FAILED) from None
    return done.stdout.rstrip()
