"""The image registry: an OCI registry (Distribution Spec 1.1) at ``/v2/``, for the product ``registry``.

A repository is ``<registry namespace>/<image path>``. Blobs are files; everything else is in the API's store.

    service       a request's way: endpoint, access, handler, response
    endpoints     paths and names; ``bodies``: HTTP requests and responses; ``errors``: error responses
    access        who may pull and push
    blobs         files by digest; ``uploads``: unfinished files; ``ranges``: byte ranges
    manifests     parses and validates manifests
    repository    the content of a repository; ``removal``: deletion and garbage collection
    requests      what handlers get
    *_routes      the handlers
"""
