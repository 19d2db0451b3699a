"""Free text: what a note gives away is found when it arrives and cut out when it leaves."""
