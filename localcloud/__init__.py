"""The local Scaleway (``python -m localcloud``) emulates part of Scaleway's HTTP API on a loopback address.

``api``      the API: products, control API, image registry, pages
``runtime``  runs containers and jobs, if a Docker engine is available
``server``   assembles, starts and stops both
"""
