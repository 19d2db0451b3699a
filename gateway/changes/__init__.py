"""What has changed for a vendor, told in order and never lost."""
