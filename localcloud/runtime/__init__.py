"""Runs the local Scaleway's containers and jobs on a Docker engine, if there is one.

    desired      the revision that each container should run, read from the API's store
    runtime      reconciles running containers with their revisions and reports their status
    workload     the instances of one container; replaces one revision by the next
    instance     one process: started, probed, restarted
    job_runner   one process per job run; ``task``: what a run executes
    probes       startup and liveness probes; ``backoff``: delays between restarts; ``balancer``: load balancing
    gateway      forwards requests to instances
    engine       interface of a container engine; ``docker_engine``: Docker; ``engine_choice``: is Docker available?
    leftovers    cleans up after a local Scaleway that was killed, or that ran with a runtime

Everything runs in the server's event loop, except calls of the Docker client (``docker_engine``).
"""
