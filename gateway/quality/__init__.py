"""What the company looks into at a vendor: samples of calls, incidents, who has access."""
