"""Case files of lenders: read, checked row by row, refused rows handed back, samples made."""
