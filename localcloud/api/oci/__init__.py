"""Images: an OCI registry (Distribution Spec 1.1) below ``/v2/``, for the namespaces of the product ``registry``.

A repository is ``<registry namespace>/<image path>``. Bytes lie in files, all else in the API's store.

    service       a request's way: endpoint, access, handler, answer
    endpoints     paths and names; ``bodies``: requests and replies; ``errors``: the spec's error answers
    access        who may pull and push
    blobs         files by digest; ``uploads``: files on their way; ``ranges``: parts of them
    manifests     what a manifest says, checked
    repository    what a repository holds; ``removal``: what goes with what is deleted, and the sweep of files
    *_routes      the handlers
"""
