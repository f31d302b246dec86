"""A server on your own machine that behaves like Discord: for the demo, the tests and the benchmarks."""
