"""What the terminal reads and shows: arguments as sentences, console, progress, tables. Imports config and rules."""
