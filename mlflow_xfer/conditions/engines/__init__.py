"""What runs single phases: this process, worker processes of this host, or the tasks of a Ray cluster."""
