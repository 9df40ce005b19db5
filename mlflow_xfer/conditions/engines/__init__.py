"""What runs single phases: in this process, or in worker processes of this host."""
