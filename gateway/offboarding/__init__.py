"""The end of a contract: one transaction, then repeatable steps, then a signed report."""
