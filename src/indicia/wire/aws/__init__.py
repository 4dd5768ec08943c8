"""The protocols of the Amazon SES API: signatures, requests, results, refusals."""
