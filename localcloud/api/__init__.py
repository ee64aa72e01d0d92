"""The local Scaleway (``python -m localcloud.api``): the part of its HTTP API that SNU uses, on a loopback address.

One folder per product, with its routes and the shapes of its objects. What they share:

    app         a request's way: router or API, key, permission, handler, journal, log
    routing     tables of routes, each with the permission it needs
    call        one request, as handlers see it
    collection  what all kinds of resources have in common
    fields      checks of request bodies; ``paging``: lists; ``errors``: the platform's error answers
    access      who may do what
    store       state in memory and in SQLite; ``transitions``: statuses that take their course
    control     the control API, ``/_local/``; ``browsers``: which requests of web pages are refused
    router      pages of the containers' hosts; ``home``: the page at ``/``; ``pages``: their look
    seed        the first state
    container_logs  the lines of containers' logs; ``broken``: an answer that cannot be ended as it began
    server      start and stop; ``object_storage``: moto's S3 in a child process, with a journal
    oci         the registry of images, below ``/v2/``

What runs behind the containers, if anything does: ``localcloud.runtime``.
"""
