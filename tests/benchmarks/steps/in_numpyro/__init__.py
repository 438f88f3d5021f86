"""The workloads' models and guides in NumPyro; importing one needs JAX."""
