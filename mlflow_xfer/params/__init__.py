"""Every parameter and every verb, declared once: the Python API, the command line, MLproject, the
documentation, the parameters of runs, the spaces of searches and the hashes of phases all read them here.
"""
