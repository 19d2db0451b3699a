"""What vendors send in: checked, kept once, durable before it is acknowledged."""
