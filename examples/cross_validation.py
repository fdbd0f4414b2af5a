"""An image classifier inside scikit-learn: cross-validation, and a search over learning rates.

python examples/cross_validation.py
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score

from ecrnn import ImageClassifier

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8) / 16  # (1797, 8, 8), between 0 and 1

classifier = ImageClassifier(model="cnn", epochs=3, batch_size=32)
print("five folds:", cross_val_score(classifier, X, y, cv=5).round(4))

search = GridSearchCV(classifier, {"lr": [1e-3, 1e-2]}, cv=3).fit(X, y)
print("best:", search.best_params_, f"{search.best_score_:.4f}")
