"""The calls under `/indicia/v1/`: one declaration a call, from which routes, OpenAPI and pages are made."""
