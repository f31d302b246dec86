"""A Discord on your own machine: for the demo, the tests and the benchmarks."""
