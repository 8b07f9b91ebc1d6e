"""One rendered person: wardrobe, skeleton, solids, materials, views.

Door: pivl.synthped.person.wardrobe.draw_people.
Example: `draw_people(4, generator)`
"""
