"""The routes of all products."""

from __future__ import annotations

from localcloud.api.account.routes import routes as account
from localcloud.api.cockpit.routes import global_routes as cockpit_global
from localcloud.api.cockpit.routes import routes as cockpit
from localcloud.api.containers.routes import routes as containers
from localcloud.api.domain.routes import routes as domain
from localcloud.api.iam.routes import routes as iam
from localcloud.api.rdb.routes import routes as rdb
from localcloud.api.registry.routes import routes as registry
from localcloud.api.routing import Route
from localcloud.api.secret_manager.routes import routes as secret_manager
from localcloud.api.serverless_jobs.routes import routes as serverless_jobs
from localcloud.api.serverless_sqldb.routes import routes as serverless_sqldb

ROUTES: list[Route] = [
    route
    for product in (
        account,
        cockpit,
        cockpit_global,
        containers,
        domain,
        iam,
        rdb,
        registry,
        secret_manager,
        serverless_jobs,
        serverless_sqldb,
    )
    for route in product.items
]
