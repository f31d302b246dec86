"""Sentences taken at random: what a model scores on them says what it scores on words that do not fit.

Plain things of many kinds, none more likely in one server than in another.
"""

from __future__ import annotations

_TEXTS = """
a cat, a dog, a horse, a bird, a fish, an insect, a bear, a snake, a cow, a rabbit, a whale, a tiger, a man, a
woman, a child, a baby, a crowd of people, a face, a hand, an old person, a football player, a king, a doctor, a
musician, a soldier, a dancer, a house, a castle, a bridge, a church, a street, a kitchen, a bedroom, an office,
a school, a shop, a tower, a factory, a prison, a swimming pool, a train station, a stadium, a tree, a flower, a
mountain, a beach, the sea, a river, a forest, a desert, snow, rain, the moon, a sunset, clouds, fire, a
rainbow, lightning, the night sky, a car, a bicycle, an aeroplane, a ship, a train, a bus, a motorcycle, a
rocket, a tractor, a pizza, a cake, bread, an apple, a cup of coffee, a glass of beer, a salad, soup, ice cream,
cheese, an egg, meat, rice, chocolate, a book, a computer, a telephone, a keyboard, a television, a camera, a
clock, a key, a knife, a chair, a table, a lamp, a bottle, a bag, a hat, a shoe, a dress, a ring, glasses, a
watch, money, a toy, a ball, a guitar, a piano, a sword, a gun, a tent, an umbrella, a balloon, a gift, a flag,
a map, text on a screen, a screenshot of an app, a chart, a table of numbers, a logo, a meme with a caption, a
drawing, a painting, a cartoon, a video game, a film scene, a newspaper, a sign, handwriting, a wedding, a
birthday party, a concert, a meeting, a fight, a kiss, a joke, a heart, a skull, a ghost, a robot, a dragon, an
angel, money in the bank, the economy, politics, music, sport, science, love, war
"""
BASELINE_SENTENCES: tuple[str, ...] = tuple(" ".join(_TEXTS.split()).split(", "))
