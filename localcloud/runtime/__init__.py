"""What runs behind the local Scaleway's containers and jobs, where a Docker engine is at hand.

    desired     what should run: read from the API's store
    runtime     brings what runs to what should run; says when a container is ready or in error
    workload    the instances of one container; a new revision takes over from the one before
    instance    one process: started, probed, restarted
    job_runner  a process for each run of a job; ``task``: what it executes
    probes      startup and liveness; ``backoff``: how long a restart waits; ``balancer``: which instance is next
    gateway     takes a request to an instance
    last_line   what a process wrote last
    engine      what all this needs of a container engine; ``docker_engine``: Docker's; ``engine_choice``: whether there is one

Everything happens in the server's event loop, but for the calls of the engine (``docker_engine``).
"""
