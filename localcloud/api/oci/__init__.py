"""The image registry: an OCI registry (Distribution Spec 1.1) at ``/v2/``, which backs the ``registry`` product.

A repository is ``<registry namespace>/<image path>``. Blobs are files; everything else is in the API's store.

    service       request processing: endpoint, access, handler, response
    paths         parses paths and names; ``bodies``: HTTP requests and responses; ``errors``: error responses
    access        authorization of pulls and pushes
    blobs         files by digest; ``uploads``: unfinished files; ``ranges``: byte ranges
    manifests     parses and validates manifests
    repository    the content of a repository; ``removal``: deletion and garbage collection
    requests      the request passed to handlers
    *_routes      the handlers
"""
