"""The service that the loader `grpc` asks: `everycent_rows.proto`, and its messages."""
