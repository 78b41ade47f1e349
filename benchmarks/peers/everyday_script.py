"""The usual everyday script: SIFT in a loop, MiniBatchKMeans, histograms, an SVM. A peer to measure against.

Deliberately simple: one process, everything in lists, no cache, no cross-validation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import recall_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

N_WORDS = 1000


def read_list(path: str) -> list[tuple[str, str]]:
    lines = Path(path).read_text().split()
    return [(line, Path(line).parent.name) for line in lines]


def describe(files: list[tuple[str, str]]) -> list[np.ndarray]:
    sift = cv2.SIFT_create()
    found = []
    for path, _ in files:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
        _, descriptors = sift.detectAndCompute(image, None)
        found.append(np.zeros((0, 128), np.float32) if descriptors is None else descriptors)
    return found


def histograms(kmeans: MiniBatchKMeans, found: list[np.ndarray]) -> np.ndarray:
    rows = np.zeros((len(found), N_WORDS))
    for i, descriptors in enumerate(found):
        if len(descriptors):
            for word in kmeans.predict(descriptors):
                rows[i, word] += 1
            rows[i] /= len(descriptors)
    return rows


def main() -> None:
    train, test = read_list(sys.argv[1]), read_list(sys.argv[2])
    train_found = describe(train)
    kmeans = MiniBatchKMeans(N_WORDS, random_state=0, n_init=3).fit(np.vstack(train_found))
    scaler = StandardScaler()
    codes = scaler.fit_transform(histograms(kmeans, train_found))
    svm = SVC(kernel="rbf", C=10).fit(codes, [label for _, label in train])
    print("fitted", flush=True)
    if test:
        predicted = svm.predict(scaler.transform(histograms(kmeans, describe(test))))
        print(recall_score([label for _, label in test], predicted, average="macro"))


if __name__ == "__main__":
    main()
