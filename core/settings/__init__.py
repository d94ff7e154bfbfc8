"""What a person can choose: one pydantic class a job."""
