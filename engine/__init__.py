"""Finds duplicate and ineligible drug discounts in rebate, pharmacy and 340B claims."""
