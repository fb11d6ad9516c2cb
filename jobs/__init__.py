"""Programs that `spark-submit.sh` starts, one module per job."""
