"""What an exercise works with: settings, arms, data, models and played episodes, each made once."""
