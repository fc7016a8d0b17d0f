"""Integration of batches: methods behind one protocol, one file each, their scores, and a fitted one that maps new cells."""

from scgnn_tools.integration._protocol import Batches, IntegrationMethod
from scgnn_tools.integration._registry import METHODS, integration_method
from scgnn_tools.integration.integrator import Integrator

__all__ = ["METHODS", "Batches", "IntegrationMethod", "Integrator", "integration_method"]
