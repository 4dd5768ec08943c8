"""The operations of policies: who may do what, read strictly, compiled once, decided quickly."""
