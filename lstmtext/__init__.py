"""lstmtext: train small private text models on your own data and run them in shell pipes, offline."""

__version__ = "0.1.0"
