"""Who may do what: policies, read strictly, compiled once, decided quickly, explained on demand.

Two kinds share one evaluator. A sending authorization policy hangs on an identity and says which others may
send with it (SES developer guide, sending authorization). A key policy hangs on an access key and says what
its holder may do (the identity-based policies of IAM).
"""
