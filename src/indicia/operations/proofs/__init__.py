"""What operations do with proofs: beginning one, carrying one on, and finding what covers an identity."""
