"""What is settled between company and vendor: complaints, payments, notices, feedback."""
