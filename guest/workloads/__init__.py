"""Small deterministic scenes for guests to show; each is a demo and a screenshot test."""

from guest.workloads.find import WORKLOADS, create_workload
from guest.workloads.stamp import Stamp, hide_stamp, read_stamp, write_stamp
from guest.workloads.workload import Workload

__all__ = ["WORKLOADS", "Stamp", "Workload", "create_workload", "hide_stamp", "read_stamp", "write_stamp"]
