"""Yi, Chen & Gu, APSIPA ASC 2019: pools, networks, training, mixtures."""
