"""OpenCV: double an image, bilinear. Usage: opencv_image.py INPUT OUTPUT."""

import sys

import cv2

image = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED)
doubled = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
sys.exit(not cv2.imwrite(sys.argv[2], doubled))
