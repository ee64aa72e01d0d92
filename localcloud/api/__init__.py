"""A part of Scaleway's HTTP API.

Every product has a folder with two modules, and more of its own where it needs them: ``routes``, the handlers of its
requests, and ``schemas``, its kinds of resources and what requests may say of them. What they share:

    app         a request's way: router or API, key, permission, handler, journal, log
    routing     tables of routes, each with the permission it needs
    request     one request, as handlers see it
    collection  what all kinds of resources have in common
    validation  checks of request bodies; ``paging``: lists; ``errors``: the platform's error answers
    access      who may do what
    store       state in memory and in SQLite; ``transitions``: statuses that take their course
    control     the control API, ``/_local/``; ``browsers``: which requests of web pages are refused
    host_pages  pages of the containers' hosts; ``home_page``: the page at ``/``; ``page_layout``: their look
    seed        the first state
    logs        the lines of containers' logs
    container_runtime  what the API needs of whatever runs the containers; ``asgi``: types of its interface
    object_storage  moto's S3 in a child process, with a journal
    oci         the registry of images, below ``/v2/``

What runs behind the containers, if anything does: ``localcloud.runtime``.
"""
