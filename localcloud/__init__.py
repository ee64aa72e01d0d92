"""The local Scaleway (``python -m localcloud``): a part of Scaleway's HTTP API on a loopback address of this machine.

``api``      the API: products, control API, registry of images, pages
``runtime``  what runs behind its containers and jobs, where a Docker engine is at hand
``server``   puts the two together, and starts and stops them
"""
