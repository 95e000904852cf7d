"""Commands in a guest: what the host says to a small program there, and hears from it."""

from guest.linux.agent.conversation import GONE, Conversation, Job
from guest.linux.agent.line import AgentLine
from guest.linux.agent.result import CommandResult

__all__ = ["GONE", "AgentLine", "CommandResult", "Conversation", "Job"]
