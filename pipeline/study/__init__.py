"""Studies: does multitask or transfer learning help on this data, and which model is best?"""
