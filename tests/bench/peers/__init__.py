"""The programs that are measured, ours among them, each as its own documents advise.

A server prints its port as its first line, and ends when its standard input does. Other
programs print one JSON object.
"""
