"""The verifier: asks the DNS through its perspectives, and takes what it saw to the rules of the domain."""
