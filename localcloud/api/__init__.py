"""The implemented part of Scaleway's HTTP API.

Every product has a folder with two modules, plus others as needed: ``routes`` (handlers) and ``schemas`` (kinds of
resources and their request bodies). Modules shared by products:

    app         request processing: routing, authentication, permissions, handler, journal, log
    products    the routes of all products; ``routing``: routing tables
    request     a request as seen by handlers
    collection  operations for every kind of resource
    validation  request bodies; ``paging``: lists; ``timestamps``: times and durations; ``errors``: error responses
    access      authentication and authorization; ``permissions``, ``conditions``: policy evaluation
    store       state in memory and in SQLite; ``transitions``: transient statuses
    control     the control API, ``/_local/``; ``browsers``: rejects requests from web pages
    faults      fault injection
    home_page   the page at ``/``; ``host_pages``: placeholder pages of containers; ``page_layout``: their HTML
    seed        initial resources
    logs        logs of containers and jobs
    container_runtime  interface to the container runtime; ``asgi``: ASGI types
    object_storage     moto's S3 in a child process, with a journal
    oci         the image registry, ``/v2/``
    recorder    records requests for contract tests

``localcloud.runtime`` runs the containers.
"""
