"""Routes: the handler for each method and path, and the permission that it requires."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from localcloud.api.permissions import Permission
from localcloud.api.request import ApiRequest

ResponseBody = dict[str, Any] | None
"""A JSON object (status 200), or None (status 204)."""
Handler = Callable[[ApiRequest], ResponseBody]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    handler: Handler
    permission: Permission


class Routes:
    """The routes of one product. By default, GET routes require the action ``read``, and others ``write``."""

    def __init__(self, prefix: str, product: str) -> None:
        self._prefix = prefix
        self._product = product
        self.items: list[Route] = []

    def __call__(
        self, method: str, path: str, resource: str, action: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Decorator: ``@routes("GET", "/namespaces/{id}", "namespace")``."""
        permission = Permission(self._product, action or ("read" if method == "GET" else "write"), resource)

        def register(handler: Handler) -> Handler:
            self.items.append(Route(method, self._prefix + path, handler, permission))
            return handler

        return register


@dataclass
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Table:
    """Finds routes by path segment, in time independent of the number of routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node, names = self._root, []
            for segment in route.path.strip("/").split("/"):
                if segment.startswith("{"):
                    names.append(segment[1:-1])
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.children.setdefault(segment, _Node())
            if route.method in node.routes:
                raise ValueError(f"{route.method} {route.path} is declared twice")
            node.routes[route.method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and the values of its path parameters; a literal segment takes precedence over a parameter."""
        node, values = self._root, []
        for segment in path.strip("/").split("/"):
            child = node.children.get(segment)
            if child is None:
                child = node.variable
                if child is None or not segment:
                    return None
                values.append(segment)
            node = child
        match = node.routes.get(method)
        if match is None:
            return None
        route, names = match
        return route, dict(zip(names, values, strict=True))
