"""Runs the local Scaleway's containers and jobs on a Docker engine, if one is available.

    desired      the revision that each container should run, read from the API's store
    runtime      reconciles running containers with their revisions and reports their status
    workload     the instances of one container; replaces one revision with the next
    instance     one process: started, probed, restarted
    job_runner   one process per job run; ``task``: the task that a run executes
    probes       startup and liveness probes; ``backoff``: delays between restarts; ``balancer``: load balancing
    gateway      forwards requests to instances
    engine       interface of a container engine; ``docker_engine``: Docker; ``engine_choice``: detects Docker
    leftovers    cleans up after an earlier local Scaleway

Everything runs in the server's event loop, except calls to the Docker client (``docker_engine``).
"""
